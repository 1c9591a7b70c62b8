"""Requests a second of gadolin serve and of Flask with PyTorch: the same net (ResNet-50, 224), films and cores, one after the other.

    python bench/compare_serve.py --gadolin build/test/apps/gadolin [--films examples/data/cxr-nih14-small/images] [--out FILE.json]

Flask's server is its own, with a thread a connection. It runs twice: `flask` as PyTorch's tutorial on Flask has it, where each
connection's thread runs the net, and `flask_owner`, where one thread owns the net, as it does in gadolin serve. The load is
`gadolin bench serve` for all. Weights are random: all servers read the same file.
"""
import argparse
import concurrent.futures
import io
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time


def flask_server(weights, port, threads, channels_last, one_owner):
    import flask
    import torch
    import torchvision
    from PIL import Image

    torch.set_num_threads(threads)
    net = torchvision.models.resnet50(num_classes=2)
    net.load_state_dict(torch.load(weights, weights_only=True))
    net.eval()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    steps = torchvision.transforms.Compose([
        torchvision.transforms.Resize(256), torchvision.transforms.CenterCrop(224), torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize([0.5] * 3, [0.25] * 3)])
    # Each thread that runs the net brings OpenMP threads of its own.
    owner = concurrent.futures.ThreadPoolExecutor(1)

    def answer(x):
        with torch.inference_mode():
            return torch.softmax(net(x), 1)[0].tolist()

    app = flask.Flask("compare")

    @app.post("/healthcare/mri/analysis")
    def analyse():
        answers = []
        for file in flask.request.files.getlist("file"):
            x = steps(Image.open(io.BytesIO(file.read())).convert("RGB")).unsqueeze(0)
            answers.append([round(v, 6) for v in (owner.submit(answer, x).result() if one_owner else answer(x))])
        return flask.jsonify(answers)

    import logging
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run("127.0.0.1", port, threaded=True)


def load(o, port, requests, connections):
    films = sorted(pathlib.Path(o.films).iterdir())[:20]  # each is also sent alone first
    call = [o.gadolin, "bench", "serve", *films, "--url", f"http://127.0.0.1:{port}", "--requests", str(requests),
            "--connections", str(connections), "--json"]
    done = subprocess.run(call, capture_output=True, text=True)
    last = json.loads(done.stdout.splitlines()[-1])
    if not last.get("ok"):
        raise SystemExit(f"{last}\n{done.stderr}")
    return last["metrics"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nothing listens on {port}")


def main(o):
    import torch
    import torchvision
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        weights = pathlib.Path(folder) / "net.pth"
        torch.manual_seed(1)
        net = torchvision.models.resnet50(num_classes=2)
        torch.save(net.state_dict(), weights)
        subprocess.run([o.gadolin, "train", pathlib.Path(o.films).parent / "view.csv", "--model", "resnet50", "--init-from", weights,
                        "--lr", "1e-12", "--max-steps", "1", "--batch-size", "2", "--channels", "3", "--out", f"{folder}/run", "--device", "cpu",
                        "--pipeline", "rgb,resize:256,center-crop:224,normalize:0.5:0.25", "--input-size", "224", "--quiet"], check=True)
        for name in ("gadolin", "flask", "flask_owner"):
            port = free_port()
            if name == "gadolin":
                call = [o.gadolin, "serve", "--checkpoint", f"net={folder}/run/checkpoints/last.gdck", "--port", str(port),
                        "--threads", str(o.threads), "--quiet"]
            else:
                call = [sys.executable, __file__, "--flask", str(weights), "--port", str(port), "--threads", str(o.threads)]
                call += ["--one-owner"] if name == "flask_owner" else []
            server = subprocess.Popen(call)
            try:
                wait_for(port)
                time.sleep(3)
                load(o, port, 20, 4)
                rows[name] = {"alone": load(o, port, o.requests // 4, 1), "many": load(o, port, o.requests, o.connections)}
            finally:
                server.terminate()
                server.wait()
            print(name, json.dumps(rows[name]), flush=True)
    for peer in ("flask", "flask_owner"):
        rows[f"requests_a_second_over_{peer}"] = ratio = rows["gadolin"]["many"]["per_second"] / rows[peer]["many"]["per_second"]
        print(f"requests a second: {ratio:.2f} times {peer}")
    rows["versions"] = {"torch": torch.__version__}
    if o.out:
        pathlib.Path(o.out).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--gadolin")
    parser.add_argument("--films", default="examples/data/cxr-nih14-small/images")
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out")
    parser.add_argument("--flask")
    parser.add_argument("--port", type=int)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--one-owner", action="store_true")
    options = parser.parse_args()
    if options.flask:
        flask_server(options.flask, options.port, options.threads, options.channels_last, options.one_owner)
    else:
        main(options)
