"""Radios that a gateway can have, each behind `contract.protocols.Radio`.

`bluez` is the machine's own Bluetooth, through bleak; its libraries come with the extra
``wardlight[bluetooth]`` and are imported with that module alone. `watchdog` is the ladder that
helps an adapter which hears nothing. A simulated home or a recording is handed in from outside.
"""
