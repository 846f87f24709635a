"""Radios that a gateway can have. None yet: BlueZ and the radio proxy come with their issue;
until then a simulated radio is handed in through `contract.protocols.Radio`.
"""
