"""``./run test-bluez``: the gateway on the real BlueZ, without a radio.

QEMU boots Debian's kernel with virtual Bluetooth controllers (`image`, `machine`). Inside it the
real ``bluetoothd`` runs, bumble puts the simulated wearables of `firmware_sim` on the air as GATT
servers (`peripherals`), and the gateway runs as it does in a home; `checks` watches it from the
broker. The guest's files are the host's, read-only, with changes in memory: nothing is installed
into an image, and nothing is left behind.
"""
