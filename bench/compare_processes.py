"""A training step of several processes on the cores of one machine: Gadolin over MPI beside PyTorch's DistributedDataParallel over gloo, in turns.

    python bench/compare_processes.py --gadolin build/cpu/gadolin                         ResNet-18, 224, 2 processes of one thread
    python bench/compare_processes.py --gadolin G --model resnet50 --batch 8 --processes 4 --json FILE

Each turn measures Gadolin with one process of all threads, Gadolin with several processes, PyTorch with one process and PyTorch with several.
Printed are the medians of the turns, the rate of several processes through that of one, the share of Gadolin's time that waits for other
processes, and Gadolin's rate through PyTorch's. Pictures and labels are random, weights too; both sides learn by SGD with momentum
(bench/pytorch_side.py), and DistributedDataParallel has buckets of 25 MB, as Gadolin has. Run it on a machine that does nothing else.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--gadolin", help="the program")
parser.add_argument("--model", default="resnet18")
parser.add_argument("--batch", type=int, default=16, help="pictures of all processes together")
parser.add_argument("--size", type=int, default=224)
parser.add_argument("--processes", type=int, default=2)
parser.add_argument("--threads", type=int, default=1, help="of each process; one process alone has those of all")
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--warmup", type=int, default=2)
parser.add_argument("--alternations", type=int, default=3)
parser.add_argument("--bucket-mb", type=float, default=25)
parser.add_argument("--json", metavar="FILE", help="write all measurements")
parser.add_argument("--child", nargs=3, type=int, metavar=("RANK", "SIZE", "THREADS"), help=argparse.SUPPRESS)
ARGS = parser.parse_args()
ARGS.device = "cpu"


def torch_side(rank, size, threads):
    """One of PyTorch's processes; the first one prints the median milliseconds of a step."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch
    import torch.distributed as dist

    from pytorch_side import Step, build_net, random_batch, time_calls

    torch.set_num_threads(threads)
    net = build_net(ARGS.model).to(memory_format=torch.channels_last)
    x, labels = random_batch(ARGS.model, ARGS.batch // size, ARGS.size, seed=rank)
    if size > 1:
        dist.init_process_group("gloo", rank=rank, world_size=size)
        net = torch.nn.parallel.DistributedDataParallel(net, bucket_cap_mb=ARGS.bucket_mb)
    step = Step("cpu", ARGS.model, "train", "fp32", "eager", x, labels, net=net)
    for _ in range(ARGS.warmup):
        step()
    if size > 1:
        dist.barrier()
    times = time_calls(step, "cpu", ARGS.steps)
    if rank == 0:
        print(statistics.median(times))
    if size > 1:
        dist.destroy_process_group()


if ARGS.child:
    sys.exit(torch_side(*ARGS.child))

from gadolin_side import Failed, Results, run_program, spread, verdict  # noqa: E402


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_torch(size):
    threads = ARGS.threads if size > 1 else ARGS.threads * ARGS.processes
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": str(threads)}
    words = [sys.executable, __file__, *sys.argv[1:], "--child"]
    children = [subprocess.Popen([*words, str(rank), str(size), str(threads)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for rank in range(size)]
    said = [child.communicate() for child in children]
    for child, (_, errors) in zip(children, said):
        if child.returncode != 0:
            raise Failed(f"PyTorch's process ended with {child.returncode}: {(errors.strip().splitlines() or ['nothing printed'])[-1]}")
    return float(said[0][0].strip().splitlines()[-1]), 0.0


def run_gadolin(size):
    threads = ARGS.threads if size > 1 else ARGS.threads * ARGS.processes
    words = ["bench", "processes", ARGS.model, "--batch", ARGS.batch, "--input", f"3x{ARGS.size}x{ARGS.size}", "--threads", threads, "--steps", ARGS.steps,
             "--warm-up", ARGS.warmup, "--bucket-mb", ARGS.bucket_mb, "--device", "cpu"]
    words = ["launch", "-n", size, "--", *words] if size > 1 else [*words, "--measured"]
    row = [event for event in run_program(ARGS.gadolin, words) if event.get("suite") == "processes"][-1]
    return row["median_ms"], row["waiting"]


def main():
    if ARGS.batch % ARGS.processes:
        sys.exit(f"--batch {ARGS.batch} is not divided by {ARGS.processes} processes")
    results = Results(ARGS.json, ARGS)
    about = results.machine()
    print(f"{about['cpu']}, load {about['load'][0]} before; {ARGS.model}, {ARGS.size} pixels, batch {ARGS.batch}, torch {about['torch']}")
    sides = {"gadolin": run_gadolin, "pytorch": run_torch} if ARGS.gadolin else {"pytorch": run_torch}
    times, waits = {}, {}
    for _ in range(ARGS.alternations):
        for framework, run in sides.items():
            for size in (1, ARGS.processes):
                try:
                    ms, waiting = run(size)
                except Failed as error:
                    results.fail(f"{framework} with {size}", error)
                    continue
                times.setdefault((framework, size), []).append(ms)
                waits.setdefault((framework, size), []).append(waiting)
    rows = {}
    for (framework, size), all_ms in times.items():
        rows[framework, size] = spread(all_ms)
        rate = 1e3 * ARGS.batch / rows[framework, size]["median_ms"]
        waiting = statistics.median(waits[framework, size])
        results.add(suite="processes", net=ARGS.model, framework=framework, variant="ddp-gloo" if framework == "pytorch" and size > 1 else "", mode="train",
                    dtype="fp32", batch=ARGS.batch, size=ARGS.size, processes=size, threads=ARGS.threads if size > 1 else ARGS.threads * ARGS.processes,
                    img_s=rate, waiting=waiting if framework == "gadolin" else None, **rows[framework, size])
        print(f"{framework} {size} x: {rate:.2f} images/s, {rows[framework, size]['median_ms']:.1f} ms a step"
              + (f", {100 * waiting:.1f} % waiting" if framework == "gadolin" and size > 1 else ""))
    several = ARGS.processes
    for framework in sides:
        if (framework, 1) in rows and (framework, several) in rows:
            v = verdict(rows[framework, 1], rows[framework, several])
            print(f"{framework}: {several} processes reach {v['ratio']:.3f} of the rate of one ({v['low']:.3f} to {v['high']:.3f})")
    if ("gadolin", several) in rows and ("pytorch", several) in rows:
        v = verdict(rows["pytorch", several], rows["gadolin", several])
        print(f"{several} processes: Gadolin / PyTorch {v['ratio']:.2f} ({v['low']:.2f} to {v['high']:.2f}){', a tie' if v['tie'] else ''}")
    results.machine()
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
