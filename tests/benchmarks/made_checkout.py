"""A folder that looks like a checkout of the authors' code: the same names and arguments with the
paper's formulas behind them, as short as they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FILES: Final = {
    "models/inrs.py": """
import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, inputs, outputs, latent, w0):
        super().__init__()
        self.w0 = w0
        self.linear = nn.Linear(inputs, outputs)
        self.modulate_shift_layer = nn.Linear(latent, outputs)

    def forward(self, state, latents):
        shift = self.modulate_shift_layer(latents).unsqueeze(1)
        return torch.sin(self.w0 * (self.linear(state) + shift))


class Last(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)


class LatentModulatedSIREN(nn.Module):
    def __init__(self, dim, channels, width, layers, latent, *, w0, w0_increments):
        super().__init__()
        kept = []
        for k in range(layers - 1):
            kept.append(Layer(width if k else dim, width, latent, w0 + k * w0_increments))
        self.layers = nn.ModuleList(kept)
        self.last_layer = Last(width, channels)
        self.modulations = torch.zeros(latent)

    def forward(self, coordinates):
        first, *others = self.layers
        state = first(coordinates, self.modulations)
        for layer in others:
            state = state + layer(state, self.modulations)
        return self.last_layer.linear(state) + 0.5
""",
    "models/model_wrapper.py": """
import torch
from torch import nn


class ModelWrapper(nn.Module):
    def __init__(self, args, model):
        super().__init__()
        self.args, self.model = args, model
        axes = [torch.linspace(-1, 1, count) for count in args.data_size[1:]]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
        self.register_buffer("grid", grid)
        self.coord_init()

    def coord_init(self):
        self.sampled_index = None

    def random_sample(self):
        drawn = torch.randperm(len(self.grid))
        self.sampled_index = drawn[: int(self.args.data_ratio * len(self.grid))]

    def forward(self, data=None):
        which = slice(None) if self.sampled_index is None else self.sampled_index
        batch = len(self.model.modulations)
        values = self.model(self.grid[which].expand(batch, -1, -1)).transpose(1, 2)
        if data is None:
            return values.reshape(batch, *self.args.data_size)
        return (values - data.flatten(2)[:, :, which]).square().mean((1, 2))
""",
    "train/maml_boot.py": """
import torch


def inner_adapt(wrapper, data, step_size, steps, first_order, sample_type):
    for _ in range(steps):
        wrapper.random_sample()
        loss = wrapper(data).sum()
        latents = wrapper.model.modulations
        gradient = torch.autograd.grad(loss, latents, create_graph=not first_order)[0]
        wrapper.model.modulations = latents - step_size * gradient


def train_step(args, step, wrapper, optimiser, data, metrics, logger):
    wrapper.model.modulations = torch.zeros_like(wrapper.model.modulations, requires_grad=True)
    inner_adapt(wrapper, data, args.inner_lr, args.inner_steps, False, args.sample_type)
    wrapper.coord_init()
    optimiser.zero_grad()
    wrapper(data).mean().backward()
    optimiser.step()
    torch.cuda.synchronize()
""",
    "common/utils.py": """
class MetricLogger:
    pass
""",
}


def write_checkout(folder: Path) -> Path:
    """The folder, with the files in it."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
