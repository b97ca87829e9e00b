// SPDX-License-Identifier: Apache-2.0
// The error of word expansion and of the patterns in it.
#pragma once

#include <string>
#include <vector>

#include "util/error.hpp"

namespace bottle::dockerfile {

// What is wrong with a word; the caller knows the place. The message quotes the word.
class WordError : public Error {
 public:
  using Error::Error;

  std::vector<std::string> unset;  // variables that were found unset before the error, sorted
};

}  // namespace bottle::dockerfile
