// Without it "/lib" is not in sys.path.
// *FORMAT-OFF*
Q(/lib)
