"""How fast the product is, as ratios: each part against something that does the least that could be called the same.

`python -m benchmarks` measures, prints one table and keeps it as JSON; `docs/performance.md` says how to read it.
Nothing here is a test of time: absolute numbers belong to the machine, ratios to the code.
"""
