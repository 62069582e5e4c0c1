# SPDX-License-Identifier: Apache-2.0
"""Convolutions of ResNet-18's shapes, forward and backward, beside PyTorch in its better layout."""
from bench import Line, random, torch_peer

ORDER = 3
BATCH = 8
# channels, size, filters, kernel, stride
SHAPES = [
    (3, 224, 64, 7, 2), (64, 56, 64, 3, 1), (64, 56, 128, 3, 2), (64, 56, 128, 1, 2), (128, 28, 128, 3, 1),
    (128, 28, 256, 3, 2), (128, 28, 256, 1, 2), (256, 14, 256, 3, 1), (256, 14, 512, 3, 2),
    (256, 14, 512, 1, 2), (512, 7, 512, 3, 1)]
KEYS = ("channels", "size", "filters", "kernel", "stride")


def lines(prefix, case, passes, peers, tolerance):
    for shape in SHAPES:
        channels, size, filters, kernel, stride = shape
        out = (size - 1) // stride + 1
        yield Line(
            f"{prefix}_{channels}x{size}_{filters}_{kernel}x{kernel}_s{stride}", case,
            {"batch": BATCH, **dict(zip(KEYS, shape))}, peers=peers, unit="GFLOP/s",
            operations=passes * 2.0 * BATCH * out * out * filters * kernel * kernel * channels,
            tolerance=tolerance)


LINES = [
    *lines("conv_fwd", "convolution", 1, ("torch", "torch_channels_last"), 2e-5),
    *lines("conv_bwd", "convolution_gradient", 2, ("torch_gradient", "torch_gradient_channels_last"), 5e-5)]


def measure(bench, line):
    channels, size, filters, kernel, stride = (line.parameters[key] for key in KEYS)
    out = (size - 1) // stride + 1
    bench.compare("convolution", line, {
        "x": random(BATCH, size, size, channels, seed=2),
        "weights": random(kernel, kernel, channels, filters, seed=3, scale=0.1),
        "dy": random(BATCH, out, out, filters, seed=4)})


def operands(tensors, channels_last):
    """In PyTorch's order of dimensions, in memory as asked."""
    import torch

    layout = torch.channels_last if channels_last else torch.contiguous_format
    x, dy = (torch.from_numpy(tensors[name]).permute(0, 3, 1, 2) for name in ("x", "dy"))
    w = torch.from_numpy(tensors["weights"]).permute(3, 2, 0, 1)
    return [t.contiguous(memory_format=layout) for t in (x, w, dy)]


def peer_torch(line, tensors, channels_last=False):
    import torch

    stride, kernel = line.parameters["stride"], line.parameters["kernel"]
    x, w, _ = operands(tensors, channels_last)
    run, result = torch_peer(
        lambda: torch.nn.functional.conv2d(x, w, stride=stride, padding=kernel // 2).permute(0, 2, 3, 1))
    return run, result


def peer_torch_channels_last(line, tensors):
    return peer_torch(line, tensors, True)


def peer_torch_gradient(line, tensors, channels_last=False):
    import torch

    stride, kernel = line.parameters["stride"], line.parameters["kernel"]
    x, w, dy = operands(tensors, channels_last)

    def gradients():
        dx, dw, _ = torch.ops.aten.convolution_backward(
            dy, x, w, None, [stride, stride], [kernel // 2, kernel // 2], [1, 1], False, [0, 0], 1,
            [True, True, False])
        return dx.permute(0, 2, 3, 1), dw.permute(2, 3, 1, 0)

    return torch_peer(gradients)


def peer_torch_gradient_channels_last(line, tensors):
    return peer_torch_gradient(line, tensors, True)
