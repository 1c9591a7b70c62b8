#include "nets/lstm.h"

#include "layers/init.h"
#include "nets/option_fields.h"

namespace gadolin {

SequenceNet::SequenceNet(const SequenceNetOptions& options)
    : options_(options), recurrent_(&add("lstm", Recurrent(options.input_size, options.recurrent))) {
  if (options.num_classes > 0) fc_ = &add("fc", Linear(recurrent_->out_features(), options.num_classes));
  if (!fc_ || !options.recurrent.glorot) return;
  Tensor weight = fc_->weight(), bias = fc_->bias();
  glorot_uniform_(weight), uniform_(bias, 0, 0);
}

Tensor SequenceNet::operator()(const Tensor& x, const Steps& steps) {
  return called(x, [&] {
    const Tensor y = (*recurrent_)(x, steps).y;
    return fc_ ? (*fc_)(y) : y;
  });
}

namespace {

const char* const cells[] = {"lstm", "gru", "rnn_tanh", "rnn_relu"};  // as Cell

template <class V> void visit_sequence_options(V&& v, SequenceNetOptions& o) {
  RecurrentOptions& r = o.recurrent;
  v("num_classes", o.num_classes);
  v("input_size", o.input_size);
  v("hidden_size", r.hidden);
  v("num_layers", r.layers);
  v("bidirectional", r.bidirectional);
  v("proj_size", r.projection);
  v("forget_bias", r.forget_bias);
  v("glorot", r.glorot);
  v("dropout", r.dropout);
  v("drop_last", r.drop_last);
}

}  // namespace

const NetInfo& sequence_net_info() {
  static const NetInfo info = [] {
    NetInfo i{"lstm", "bidirectional LSTM over features, 6 classes a step", "Gadolin", {60, 1536}, {}};
    SequenceNetOptions defaults;
    visit_sequence_options(detail::List{i.options}, defaults);
    i.options.insert(i.options.end(), {"bias", "one_bias", "cell"});
    return i;
  }();
  return info;
}

std::unique_ptr<SequenceNet> make_sequence_net(const NetOptions& options) {
  const std::string& name = sequence_net_info().name;
  detail::check_known(name, options, sequence_net_info().options);
  SequenceNetOptions o;
  const detail::Read read{name, options};
  visit_sequence_options(read, o);
  bool bias = true, one = o.recurrent.biases == 1;
  read("bias", bias), read("one_bias", one);
  o.recurrent.biases = !bias ? 0 : one ? 1 : 2;
  const char* const known = "lstm, gru, rnn_tanh or rnn_relu";
  if (const std::string* cell = read.find<std::string>("cell", known)) {
    const auto found = std::find(std::begin(cells), std::end(cells), *cell);
    require<UsageError>(found != std::end(cells), name, ": option cell must be ", known);
    o.recurrent.cell = static_cast<Cell>(found - std::begin(cells));
    if (o.recurrent.cell != Cell::lstm && !options.contains("forget_bias")) o.recurrent.forget_bias = 0;
  }
  return std::make_unique<SequenceNet>(o);
}

}  // namespace gadolin
