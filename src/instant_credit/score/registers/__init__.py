"""Registers of 512 bits as values that kernels can hold."""
