"""demo: the command line, pictures, plots and result files that the demos share. Your own programs do not need it."""
