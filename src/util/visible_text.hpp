// SPDX-License-Identifier: Apache-2.0
// Text of others (output of a RUN, names of files, what registries answer), made harmless for terminals: what
// a terminal would obey or hide is shown instead.
//
// Kept: UTF-8, line ends and tabs. Shown as "\x1b": the other control characters and bytes that are not
// UTF-8, among which terminals with 8-bit controls read some. Shown as "\u009b" or "\U000e0041": control
// characters of Unicode (C1), line and paragraph separators, those that change the direction of the text
// around them, and those that are drawn as nothing. Joiners and variation selectors are kept behind a
// character that is not ASCII: emoji and several scripts need them.
// Source: ECMA-48; Unicode Standard Annex 9, "Directional Formatting Characters"; DerivedCoreProperties.txt,
// Default_Ignorable_Code_Point; RFC 3629 (UTF-8).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bottle {

class VisibleText {
 public:
  // The text so far may end within a character; its bytes are shown with the next ones.
  std::string add(std::string_view text);
  // What was left of it.
  std::string finish();

 private:
  std::string rest_;
  std::uint32_t last_ = 0;  // the character before it
};

// A whole text.
std::string visible(std::string_view text);

// While it lives, standard error (stdio's and C++'s), and standard output if that is a terminal, are written
// through the filter. Files and pipes get from standard output the bytes as they are: they are data.
class VisibleStreams {
 public:
  VisibleStreams();
  ~VisibleStreams();
  VisibleStreams(VisibleStreams&&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bottle
