// Production's product with elements that count. In a probe the student's stands before it.
#include "tensor/cpu/gemm.cpp"

#include "course/1/reads.inc"
