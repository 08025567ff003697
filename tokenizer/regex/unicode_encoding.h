// UTF-8 as Oniguruma sees it, with the characters of the Unicode that the reference knows.
#pragma once

#include <oniguruma.h>

namespace eet {

// The library's own encoding, but for the properties, POSIX classes, \w, \d, \s and \b of
// characters that are newer than the library. Ready for use by any number of threads.
OnigEncoding unicode_encoding();

}  // namespace eet
