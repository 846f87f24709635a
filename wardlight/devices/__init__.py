"""``wardlight devices``: what is heard, what of it is the home's, and whose it is. Works on the
records, and asks gateways over the broker; what was never enrolled is shown and kept nowhere.
"""
