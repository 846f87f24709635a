"""How well walks, exits and nights are told: made-up and recorded life, second by second."""
