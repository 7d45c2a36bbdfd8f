"""Running experiments on a cluster: a pure decision from what is seen, and the loop around it."""
