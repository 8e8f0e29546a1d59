"""From tree tables to tables of Shapley values: what each feature contributes in each leaf of each tree, known before any row."""
