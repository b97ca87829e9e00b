// SPDX-License-Identifier: Apache-2.0
#include "gate/script_check.hpp"

#include <gtest/gtest.h>

#include "gate/template.hpp"
#include "testing.hpp"

namespace bottle::gate {
namespace {

// {{}} stands for a value.
std::string places(std::string text) {
  for (std::size_t at; (at = text.find("{{}}")) != std::string::npos;)
    text.replace(at, 4, kMarkedWord);
  return failure([&] { check_places_of_values(text, "t"); });
}

TEST(PlacesOfValues, AcceptsQuotedPositions) {
  EXPECT_EQ(places("#!/bin/sh\na={{}}\n  export b={{}}\nf {{}} {{}} plain\n"), "no error");
  EXPECT_EQ(
      places("f() {\n  if true; then\n    a={{}}\n  fi\n}\ncase x in\n  x)\n    a={{}}\n    ;;\nesac\n"),
      "no error");
}

TEST(PlacesOfValues, RefusesValuesInQuotes) {
  for (const char* line : {"a=\"{{}}\"", "a='{{}}'", "echo \"x {{}} y\"", "a=`f {{}}`", "a=$(f {{}})",
                           "# {{}}", "a={{}} # comment", "[ -z {{}} ] && x", "a={{}}; b", "cat <{{}}",
                           "a=\\{{}}", "x=${y:-{{}}}", "{{}}) ;;", "a=x\t{{}}"}) {
    EXPECT_NE(
        places(std::string("#!/bin/sh\n") + line + "\n").find("t:2 (rendered): expected only plain words"),
        std::string::npos)
        << line;
  }
}

TEST(PlacesOfValues, RefusesValuesInEarlierQuotes) {
  const std::string said = "expected a value outside quotes";
  EXPECT_NE(places("a=\"x\nb={{}}\n\"\n").find(said), std::string::npos);
  EXPECT_NE(places("a='x\nb={{}}\n'\n").find(said), std::string::npos);
  EXPECT_NE(places("cat <<END\n{{}}\nEND\n").find(said), std::string::npos);
  EXPECT_NE(places("cat <<'END'\n{{}}\nEND\n").find(said), std::string::npos);
  EXPECT_NE(places("a=`\nf {{}}\n`\n").find(said), std::string::npos);
  EXPECT_NE(places("a=\"$(cat <<END\n{{}}\nEND\n)\"\n").find(said), std::string::npos);
  // It would do no harm here, but the line in front would be another error.
  EXPECT_NE(places("a=$(\n  f {{}}\n)\n").find(said), std::string::npos);
  // A quote that a naive reader would take for closed.
  EXPECT_NE(places("# it's\na=\"it's\nb={{}}\n\" # it's\n").find(said), std::string::npos);
}

TEST(Scripts, SyntaxIsChecked) {
  EXPECT_EQ(failure([] { check_scripts({{"a", "#!/bin/sh\ntrue\n"}}, {}, "templates"); }), "no error");
  EXPECT_NE(failure([] {
              check_scripts({{"a", "#!/bin/sh\nif true\n"}}, {}, "templates");
            }).find("templates/a: sh -n rejected"),
            std::string::npos);
}

}  // namespace
}  // namespace bottle::gate
