"""The capstone: the best small classifier under a budget; what an entry is, made and measured."""
