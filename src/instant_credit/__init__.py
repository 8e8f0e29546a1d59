"""instant_credit: automated loan decisions with exact reasons and a durable record."""

__version__ = "0.1.0"
