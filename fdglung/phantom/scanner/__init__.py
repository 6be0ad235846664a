"""Scanners: from uptake and CT numbers to images with a point spread, noise and a grid of their own."""
