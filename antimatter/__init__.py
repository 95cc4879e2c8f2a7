"""AntiMatter: raw text in, a trained and evaluated language model out; every document accounted for."""
