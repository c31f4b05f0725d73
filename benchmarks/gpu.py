"""Images a second that the image model trains on a GPU: as the job does it (bf16, channels_last), beside plain fp32.

Random pages, already on the device, so that only the training step is measured: forward, loss, backward, optimizer.
Where there is no GPU nothing is measured, and this says so.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

import torch
from image import HEIGHT, WIDTH, ImageNetwork
from loop import autocast
from torch import nn

NETWORK = {"depth": 4, "conv_block_length": 2, "start_filter": 64, "dropout": 0.2, "classes": 16}
BATCH = 512
WARM_UP, STEPS = 10, 50


def images_a_second(device: torch.device, as_the_job: bool) -> float:
    torch.manual_seed(1)
    layout = torch.channels_last if as_the_job else torch.contiguous_format
    network = ImageNetwork(**NETWORK).to(device, memory_format=layout).train()
    optimizer = torch.optim.AdamW(network.parameters())
    pages = torch.randint(0, 256, (BATCH, HEIGHT, WIDTH), dtype=torch.uint8, device=device)
    labels = torch.randint(0, NETWORK["classes"], (BATCH,), device=device)
    kind = autocast(device) if as_the_job else torch.autocast(device.type, enabled=False)
    began = 0.0
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            torch.cuda.synchronize(device)
            began = time.perf_counter()
        with kind:
            loss = nn.functional.cross_entropy(network(pages).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    torch.cuda.synchronize(device)
    return STEPS * BATCH / (time.perf_counter() - began)


def main() -> None:
    if not torch.cuda.is_available():
        print("bench-gpu did not run: PyTorch finds no GPU here (its CUDA build and an NVIDIA GPU are needed)")
        return
    device = torch.device("cuda")
    torch.backends.cudnn.allow_tf32 = False  # on by default for convolutions, and then fp32 is not plain
    plain, fast = images_a_second(device, False), images_a_second(device, True)
    print(f"{torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}, {BATCH} pages a step")
    print(f"plain fp32            {plain:12,.0f} images/s")
    kind = "bf16" if torch.cuda.is_bf16_supported() else "fp32 (this GPU has no bf16)"
    print(f"{kind + ', channels_last':21} {fast:12,.0f} images/s   {fast / plain:.2f} times as many")


if __name__ == "__main__":
    main()
