"""The whole way on signals that ship with the package, from training to a page that shows what came
out."""
