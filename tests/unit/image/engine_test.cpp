// SPDX-License-Identifier: Apache-2.0
// What an outside engine is given, and when it is asked: no engine runs here. (tests/integration has real
// ones.)
#include "image/engine/engines.hpp"

#include <sys/stat.h>

#include "image/engine/context_history.hpp"
#include "image/engine/dockerfile.hpp"
#include "image/engine/input.hpp"
#include "testing.hpp"
#include "util/error.hpp"

namespace bottle::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class EngineTest : public ImageTest {
 protected:
  EngineTest() {
    write("a", "a\n");
    write("unused", "unused\n");
    fs::create_directories(directory() / "other");
    write("../other/o", "o\n", 0640);
  }
  BuildSpec engine_spec() const {
    BuildSpec result = spec();
    result.engine = "docker";
    result.engine_version = "1";  // no engine is asked
    result.contexts.push_back({.name = "other",
                               .kind = ContextKind::path,
                               .value = directory() / "other",
                               .reference = {},
                               .files = {}});
    return result;
  }
  std::string written() const {
    const resolve::Resolved resolved = resolve::resolve_image(engine_spec(), store());
    engine::OutsideNames names = engine::outside_names(resolved);
    for (auto& [name, reference] : names.scans)
      reference = "ref:0";
    return engine::engine_dockerfile(resolved, names);
  }
};

TEST_F(EngineTest, DockerfileKeepsLinesAndLeavesOutStages) {
  dockerfile(
      R"(# syntax=some/frontend
# a comment
ARG X=1
FROM missing AS unneeded
RUN nothing
FROM scratch AS one
COPY a \
  # in between
  /a

FROM scratch
COPY --chmod=644 --from=1 /a /b
ENV X=$X
)");
  EXPECT_EQ(written(),
            R"(# syntax=some/frontend

ARG X=1


FROM scratch AS one
COPY a \
  # in between
  /a

FROM scratch AS stage-2
COPY --chmod=644 --from=one /a /b
ENV X=$X
)");
}

TEST_F(EngineTest, OutsideNamesAreReplaced) {
  dockerfile(
      R"(FROM scratch AS x
COPY a /a
FROM scratch
COPY --from=other o /o
RUN --mount=type=bind,from=other,target=/m --mount=from=x,target=/n true
)");
  EXPECT_THAT(written(),
              HasSubstr("COPY --from=ref:0 o /o\n"
                        "RUN --mount=type=bind,from=ref:0,target=/m --mount=from=x,target=/n true\n"));
}

TEST_F(EngineTest, StagesWithOneNameStaySeparate) {
  dockerfile(R"(FROM scratch AS x
COPY a /a
FROM x AS x
COPY a /b
FROM x
COPY a /c
)");
  EXPECT_THAT(written(), HasSubstr(R"(FROM x AS x-1
COPY a /b
FROM x-1 AS stage-2
)"));
}

TEST_F(EngineTest, QuotedMountIsRefused) {
  dockerfile("FROM scratch\nRUN --mount=type=bind,\"from=other\",target=/m true\n");
  EXPECT_THAT(error_of([&] { written(); }), HasSubstr("Dockerfile:2"));
}

TEST_F(EngineTest, InputHasOnlyCopiedFiles) {
  dockerfile(R"(FROM scratch
COPY a /a
COPY --from=other o /o
)");
  const resolve::Resolved resolved = resolve::resolve_image(engine_spec(), store());
  const fs::path work = directory() / "work";
  fs::create_directories(work);
  const engine::EngineInput input =
      engine::prepare_input(resolved, store(), work, engine::ContextTimes::whole);
  EXPECT_THAT(files_of(input.context), ElementsAre(std::pair("a", "a\n")));
  struct stat status {};
  ASSERT_EQ(::stat((input.context / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mtime, 0);
  ASSERT_EQ(input.images.size(), 1u);
  EXPECT_EQ(input.images[0].reference, engine::reference_prefix(engine_spec().directory) + ":0");
  EXPECT_THAT(paths_of(input.images[0].image), ElementsAre("o"));
  // A file that changes after it was read fails the build.
  write("a", "b\n");
  fs::remove_all(input.context);
  EXPECT_THAT(error_of([&] { engine::prepare_input(resolved, store(), work, engine::ContextTimes::whole); }),
              HasSubstr("/a"));
}

TEST_F(EngineTest, ContextGetsANewNameForLookAlikes) {
  const fs::path file = directory() / "sent";
  const auto name = [&](const std::string& looks, const std::string& what) {
    engine::ContextHistory sent(file);
    sent.add("a file", looks, what);
    return sent.name();
  };
  const std::string first = name("3:1", "one");
  EXPECT_EQ(name("3:2", "two"), first);
  EXPECT_EQ(name("3:1", "one"), first);
  const std::string text = read_file(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  const std::string second = name("3:1", "another");
  EXPECT_NE(second, first);
  EXPECT_EQ(name("3:2", "three"), second);  // the first name is no longer known
  fs::create_directories(directory() / "copy");
  fs::copy_file(file, directory() / "copy" / "sent");
  engine::ContextHistory copied(directory() / "copy" / "sent");
  EXPECT_NE(copied.name(), second);
  for (const std::string& damage : {std::string("bottle-sent 1 ab\na%20file 3:1 o"), std::string("other\n"),
                                    std::string("bottle-sent 1 ab\nword\n")}) {
    write_file(file, damage);
    EXPECT_NE(name("3:1", "one"), second);
  }
}

TEST_F(EngineTest, KeyHasEngineVersionAndOptions) {
  dockerfile("FROM scratch\nCOPY a /a\n");
  BuildSpec spec = engine_spec();
  const std::string before = key_text(spec);
  EXPECT_THAT(before, HasSubstr("engine = docker 1\n"));
  spec.engine_version = "2 classic";
  EXPECT_THAT(key_text(spec), HasSubstr("engine = docker 2%20classic\n"));
  spec.engine_options = {"--network=none"};
  EXPECT_THAT(key_text(spec), HasSubstr("engine option 0 = --network%3Dnone\n"));
  EXPECT_THAT(key_text(this->spec()), Not(HasSubstr("engine option")));
}

TEST_F(EngineTest, VersionIsQueriedOnceForAProgram) {
  const fs::path bin = directory() / "bin";
  fs::create_directories(bin);
  const auto install = [&](const std::string& version) {
    write_file(bin / "buildah", "#!/bin/sh\necho asked >> " + (directory() / "asked").native() +
                                    "\necho '{\"version\": \"" + version + "\"}'\n");
    ASSERT_EQ(::chmod((bin / "buildah").c_str(), 0755), 0);
  };
  const ScopedVariable path("PATH", (bin.native() + ":/usr/bin:/bin").c_str());
  BuildSpec spec = this->spec();
  spec.engine = "buildah";
  install("1.0");
  EXPECT_EQ(engine::with_engine(spec, store()).engine_version, "1.0");
  EXPECT_EQ(engine::with_engine(spec, store()).engine_version, "1.0");
  EXPECT_EQ(read_file(directory() / "asked"), "asked\n");
  install("1.0.1");  // another file
  EXPECT_EQ(engine::with_engine(spec, store()).engine_version, "1.0.1");
  EXPECT_EQ(read_file(directory() / "asked"), "asked\nasked\n");
  EXPECT_EQ(engine::fresh_engine_version(spec, store()), "1.0.1");
  EXPECT_EQ(read_file(directory() / "asked"), "asked\nasked\nasked\n");
}

TEST_F(EngineTest, UnknownEngineListsTheKnown) {
  BuildSpec spec = this->spec();
  spec.engine = "poodman";
  EXPECT_THAT(error_of([&] { engine::make_engine(spec); }),
              HasSubstr("did you mean podman? known: builtin, docker, podman, buildah, buildx"));
}

TEST(Engines, EachNameHasADriver) {
  for (const std::string& name : engine_names()) {
    BuildSpec spec;
    spec.slug = "a";
    spec.engine = name;
    if (is_builtin(spec))
      EXPECT_THROW(engine::make_engine(spec), UsageError);
    else
      EXPECT_NE(engine::make_engine(spec), nullptr) << name;
  }
}

}  // namespace
}  // namespace bottle::image
