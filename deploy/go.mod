module github.com/pagepool/pagepool/deploy

go 1.26.0
