"""Where and in which number format to compute.

| device | auto |
|---|---|
| NVIDIA, compute capability >= 8.0 | bf16 |
| older NVIDIA (T4, V100) | fp16 with loss scaling; they only emulate bf16 |
| CPU with AVX512-BF16 or AMX | bf16 |
| other CPUs, Apple | fp32 |

Weights, their gradients and the optimizers stay fp32; autocast lowers the matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from text2sql.errors import UserError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# Dense peak of bf16/fp16 matrix products with fp32 sums, from the makers' data sheets; a part of the device's name.
PEAK_TFLOPS = {
    "B200": 2250, "H200": 989, "H100": 989, "A100": 312, "L40S": 362, "A10": 125, "L4": 121, "T4": 65, "V100": 125,
    "RTX 4090": 165, "RTX 3090": 71,
}  # fmt: skip


@dataclass(frozen=True)
class Precision:
    """The device and the format of its matrix products."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> torch.autocast:
        """Context in which matrix products are computed in `dtype`."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """fp16's smallest numbers would lose small gradients: the loss is scaled up. A no-op for the other formats."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    def peak_flops(self) -> float | None:
        """Floating-point operations per second that the device can do at best, where that is known."""
        if self.device.type != "cuda" or self.dtype == torch.float32:
            return None
        name = torch.cuda.get_device_name(self.device)
        return next((peak * 1e12 for part, peak in PEAK_TFLOPS.items() if part in name), None)


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device that `name` (a config's `device`) means. Raises UserError for one that isn't there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r} is not known; use auto, cpu, cuda, cuda:1 or mps") from error
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", local_rank)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {device} is not there ({torch.cuda.device_count()} CUDA devices found); use device: cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("device mps is not there; use device: cpu")
    return device


def choose_precision(precision: str, device: torch.device) -> Precision:
    """`precision` is a config's: a format, or auto for the table above."""
    if precision != "auto":
        return Precision(device, DTYPES[precision])
    if device.type == "cuda":
        # is_bf16_supported() says yes to emulation, which is slower than fp32.
        capable = torch.cuda.get_device_capability(device) >= (8, 0)
        return Precision(device, torch.bfloat16 if capable else torch.float16)
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return Precision(device, torch.bfloat16)
    return Precision(device, torch.float32)
