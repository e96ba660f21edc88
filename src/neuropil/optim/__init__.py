"""Update rules, schedules, clipping, penalties."""
