// Boxes in pictures: their features, and which of them stay.

internal import CTorch

extension Tensor {
  /// Features of boxes by bilinear samples (RoIAlign; He et al. 2017, "Mask R-CNN").
  ///
  /// - Parameters:
  ///   - boxes: float32 [K, 5]: number of the picture, x1, y1, x2, y2. No gradient reaches them.
  ///   - scale: pixels of these features per pixel of the boxes, for example 1/16.
  ///   - samplingRatio: samples a side of a bin; 0 for as many as it has pixels, rounded up.
  ///   - isAligned: moves boxes by half a pixel, so that pixel centres lie where they belong;
  ///     without it boxes are also at least one pixel a side (the Caffe detectors' form).
  /// - Returns: float32 [K, C, height, width] of these features [N, C, H, W] (float32 or bfloat16);
  ///   channels-last where the features are.
  public func roiAlign(
    _ boxes: Tensor, height: Int, width: Int, scale: Double, samplingRatio: Int = 0,
    isAligned: Bool = true
  ) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    try check(
      ctorch_roi_align(
        handle, boxes.handle, scale, height, width, samplingRatio, isAligned, &result),
      "roiAlign", [self, boxes])
    return Tensor(owning: result)
  }

  /// Greedy non-maximum suppression of these boxes, float32 [K, 4]: of two that share more than
  /// `overlap` of their union, the one with the higher score stays; of equal scores the first.
  ///
  /// - Parameters:
  ///   - scores: float32 [K].
  ///   - groups: int64 [K]; boxes of different groups do not touch each other. Nil: one group.
  ///   - isInclusive: a box's last row and column belong to it (the Caffe detectors' form).
  /// - Returns: int64 places of those that stay, group after group, each by falling score.
  public func suppressed(
    scores: Tensor, overlap: Double, groups: Tensor? = nil, isInclusive: Bool = false
  ) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    try check(
      ctorch_suppress(
        handle, scores.handle, groups?.handle ?? CTorchTensor(pointer: nil), overlap, isInclusive,
        &result),
      "suppressed", [self, scores] + [groups].compactMap { $0 })
    return Tensor(owning: result)
  }

  /// Greedy non-maximum suppression within each class, for these boxes, float32 [C, K, 4], of any
  /// strides: a transposed or expanded view is read where it lies.
  ///
  /// - Parameters:
  ///   - scores: float32 [C, K], of any strides.
  ///   - threshold: boxes whose score is not above it do not take part.
  ///   - mostPerClass: how many may stay of a class; 0 for all.
  /// - Returns: int64 class and place of those that stay: class after class, each by falling score.
  public func suppressedByClass(
    scores: Tensor, above threshold: Double, overlap: Double, mostPerClass: Int = 0,
    isInclusive: Bool = false
  ) throws -> (classes: Tensor, places: Tensor) {
    var classes = CTorchTensor(pointer: nil)
    var places = CTorchTensor(pointer: nil)
    try check(
      ctorch_suppress_classes(
        handle, scores.handle, threshold, overlap, mostPerClass, isInclusive, &classes, &places),
      "suppressedByClass", [self, scores])
    return (Tensor(owning: classes), Tensor(owning: places))
  }
}
