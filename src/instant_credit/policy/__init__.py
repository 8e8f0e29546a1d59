"""Pure. Risk becomes terms: the policy document, its checks, the program compiled from it, pricing and limits."""
