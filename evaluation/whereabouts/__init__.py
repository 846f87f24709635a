"""How well walks, exits and nights are told: simulated and recorded life, played second by second."""
