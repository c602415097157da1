"""Framebridge: see a 3D scene through a diffusion model without leaving the 3D tool."""

__version__ = "0.1.0"
