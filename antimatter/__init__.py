"""AntiMatter: raw text in, a trained, evaluated language model out; every artifact versioned, every document accounted for."""
