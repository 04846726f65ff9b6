"""All SQL of the store, a noun a module. A function takes a connection whose transaction its caller owns."""
