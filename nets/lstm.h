// The sequence classifier: stacked recurrent layers over the features of a sequence's images, and a fully
// connected layer that gives every step its logits. As in the head CT application's second stage (a
// bidirectional LSTM of 2 x 256 over the slices of a series).
#pragma once

#include "layers/linear.h"
#include "layers/recurrent.h"
#include "nets/registry.h"

namespace gadolin {

// Sizes of the net.
struct SequenceNetOptions {
  int num_classes = 6;    // 0: no classifier, the recurrent layers alone
  int input_size = 1536;  // features of a step
  // 2 layers of 256 in two directions, one bias vector, forget bias 1, first weights of Glorot, dropout on
  // every output: 5,250,054 parameters.
  RecurrentOptions recurrent{.layers = 2,
                             .bidirectional = true,
                             .biases = 1,
                             .forget_bias = 1,
                             .glorot = true,
                             .dropout = 0.3,
                             .drop_last = true};
};

// logits = net(x, steps): x [N, T, input_size] -> [N, T, num_classes]. At padding the logits are the bias of
// the last layer; a loss leaves them out. State names: those of torch.nn.LSTM under "lstm.", "fc.weight",
// "fc.bias". With `glorot` the last layer starts so as well.
class SequenceNet : public Module {
 public:
  explicit SequenceNet(const SequenceNetOptions& options = {});  // a new one
  Tensor operator()(const Tensor& x, const Steps& steps = {});   // a call of the whole net
  const char* kind() const override { return "SequenceNet"; }
  const SequenceNetOptions& options() const { return options_; }  // as made
  Recurrent& recurrent() { return *recurrent_; }                  // its recurrent layers

 private:
  SequenceNetOptions options_;
  Recurrent* recurrent_;
  Linear* fc_ = nullptr;  // without classes: the recurrent layers alone
};

// "lstm" with its options by name: num_classes, input_size, hidden_size, num_layers, bidirectional,
// proj_size, bias, one_bias, forget_bias, glorot, dropout, drop_last, cell ("lstm", "gru", "rnn_tanh",
// "rnn_relu").
const NetInfo& sequence_net_info();
// Throws UsageError naming an unknown option and the known ones.
std::unique_ptr<SequenceNet> make_sequence_net(const NetOptions& options = {});

}  // namespace gadolin
