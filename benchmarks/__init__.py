"""What the speed claims rest on, runnable by anyone: `python -m benchmarks.NAME`."""
