"""``./run chaos``: a home of sixty while everything in it is killed, stopped, cut off, filled
and put on a wrong clock; and at the end a ledger of what was lost, against what truly happened.

Each part of the home is a process of its own, as in a home. What is injected and what is
checked is in ``docs/chaos.md``.
"""
