module github.com/pagepool/pagepool/deploy

go 1.26.0

require github.com/pagepool/pagepool v0.0.0-00010101000000-000000000000

replace github.com/pagepool/pagepool => ../
