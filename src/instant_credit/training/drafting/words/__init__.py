"""Edge. What names and cells say: the words of tapes in the languages that they come in, and names that a product can hold."""
