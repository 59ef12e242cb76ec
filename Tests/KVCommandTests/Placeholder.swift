// Tests come with the code.
