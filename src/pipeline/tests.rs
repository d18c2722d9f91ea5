mod scratch {
    use crate::pipeline::*;
    #[test]
    fn scratch() {
        let text = b"name: x\nstpes: [1]\nenv: {A: \"${{ brnch }}\", A: 1, 2x: 3}\non: [psh, tags]\ntimeout: 30\nsteps:\n  - cargo build\n  - name: a\n    comands: [make]\n    if: branch = \"x\"\n  - run: echo ${{ branch }}\n    if: tagg == \"x\" && event\n    needs: [b]\n  - name: b\n    run:\n      - a\n      - b\n    matrix: 4\n    needs: [step3, stp1]\n    retry: {max: 20, whn: [x]}\n    timeout: 1.5h\n    allow_failure: maybe\n    environment: {A: 1}\n  - name: a\n    image: [x]\n  - [a]\n  - \n";
        let problems = check(".gantry.yml", text);
        println!("{}", render(&problems, false));
        println!("{}", summary(&problems));
    }
}
