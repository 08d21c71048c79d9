# Read at the end of the port's project() (CMAKE_PROJECT_firmware_INCLUDE): what the build needs
# to do without a C++ library.
#
# The SDK's one C++ file in the firmware defines `new` and `delete`, which nothing calls: with
# PICO_CXX_DISABLE_ALLOCATION_OVERRIDES (in CXXFLAGS) it is empty, and the link is C's.
cmake_language(DEFER CALL set_target_properties firmware PROPERTIES LINKER_LANGUAGE C)
# g++ would have added it.
cmake_language(DEFER CALL target_link_libraries firmware m)
