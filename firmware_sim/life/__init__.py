"""How people live in a care home: their ways through it, their day, their nights, who wanders, who
looks after them, and who comes to see them. `firmware_sim.behaviour` puts a day together.
"""
