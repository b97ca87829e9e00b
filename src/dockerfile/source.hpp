// SPDX-License-Identifier: Apache-2.0
// Places in a Dockerfile and the errors that show them the way a compiler does.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "util/error.hpp"

namespace bottle::dockerfile {

// Lines are counted from 1, and both ends belong to the range.
struct LineRange {
  int first = 0;
  int last = 0;
  auto operator<=>(const LineRange&) const = default;
};

// Column 1 is the first byte of a line; 0 means that only the line is known.
struct Position {
  int line = 0;
  int column = 0;
  auto operator<=>(const Position&) const = default;
};

// The text of a Dockerfile by lines, kept for messages. `name` is what messages call it ("Dockerfile", a
// path).
struct SourceText {
  std::string name;
  std::vector<std::string> lines;

  SourceText(std::string_view file_name, std::string_view text);
  std::string where(Position position) const;  // "Dockerfile:12:8"
  std::string excerpt(
      Position position) const;  // the line and a caret below it, two lines; "" for an unknown line
};

// An error with its place in a Dockerfile. message() holds the line and a caret too, so that a tool that
// prints place, message and hint shows what a compiler shows:
//   Dockerfile:12:6: error: unknown flag --form for COPY
//      12 | COPY --form=build /a /b
//         |      ^
//     hint: did you mean --from?
class SourceError : public Error {
 public:
  SourceError(const SourceText& source, Position position, std::string summary, std::string hint = {});

  // "<where>: <summary>; <hint>" and the excerpt below it.
  const char* what() const noexcept override { return full_text_.c_str(); }
  const std::string& summary() const { return summary_; }  // the message without the excerpt
  Position position() const { return position_; }

 private:
  std::string summary_;
  Position position_;
  std::string full_text_;
};

}  // namespace bottle::dockerfile
