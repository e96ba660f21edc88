"""Speed, side by side with what one would otherwise use: `python -m benchmarks [TOPIC] [--pairs N] [--readme]`.

topics/   what is compared with what, and what we aim at; nothing heavy is imported
peers/    the competitors: functions that do the work and measure it, each run in a process of its own
results/  what came out, with the machine and the versions
"""
