// Weights of sequence classifiers from elsewhere: PyTorch's and TensorFlow's, under the names of nets/lstm.h.
#pragma once

#include "io/weights.h"
#include "nets/lstm.h"

namespace gadolin {

// Takes variables of TensorFlow's recurrent cells to our names: LSTMCell or BasicLSTMCell (kernel [F + P, 4
// H] in the order i, c, f, o, one bias, projection/kernel), in one direction or bidirectional (fw, bw),
// layers as cell_N; and the last layer, dense. GRU cells of TensorFlow are computed otherwise than ours and
// are left over, as is all that has no counterpart. `options` gets the cell's conventions: one bias, forget
// bias
// 1. Optimiser slots and the step are taken out and named in a note. Throws Unsupported for directions whose
// layers do not read one another (multi_rnn_cell within bidirectional_rnn).
void rename_tensorflow_cells(WeightFile& weights, NetOptions& options);

// What names and shapes tell about the net, where `given` does not say it: sizes, layers, directions, biases
// and the cell (of plain recurrent nets tanh). Throws CheckpointError where there is no lstm.weight_ih_l0.
NetOptions sequence_options_from_weights(const State& weights, NetOptions given);

}  // namespace gadolin
