"""check: is this gradient right? gradcheck for your function, `python -m tinyae.check` for all of the library's."""
