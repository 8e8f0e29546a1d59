"""Pure. Facts become numbers: programs of derived variables, pack, kernels, build; one path for one row and for a million."""
