# The tests that ask for a CUDA device, as a filter of googletest: for the device made of software (tools/test.sh) and for a
# GPU (tools/gpu.sh). Sourced by both.
on_device="*Cuda*:*cuda*:*OnDevice*:*NormKernels*:*Recorded*:CapturedStep*:GradientHook.InA*:Sort*:Unique*:Printing.Device*:Uploader*:Loader.*:Ingest*:CrossEntropy.SmallGradients*:AnchorLosses.*:DetectionBoxes*:DetectionMatching*:DetectionStep*:Detect.*:Nms.*"
