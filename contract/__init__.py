"""The shared vocabulary: what is said on the wire and over the air, and the protocols that
the other rooms implement. It does no I/O and imports nothing of ours; if two rooms must
agree on something, it stands here.
"""
