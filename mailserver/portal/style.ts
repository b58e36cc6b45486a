/** The pages' own style: light and dark, phone and desktop, system fonts. Contrast is AA (WCAG 2.2, 1.4.3 and 1.4.11). */
export const STYLE = `
:root{color-scheme:light dark;--ink:#1b2430;--soft:#4d5a69;--paper:#f4f6f9;--card:#fff;--line:#c9d1db;--edge:#738091;--main:#1857b5;--on:#fff;--bad:#a61b1b;--badbg:#fdecec;--good:#17663a;--goodbg:#e7f6ed}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf3;--soft:#b0bbc8;--paper:#12171d;--card:#1b222b;--line:#38434f;--edge:#8593a3;--main:#8ab8ff;--on:#0d1a2d;--bad:#ffb1ab;--badbg:#43191a;--good:#98e0b5;--goodbg:#143523}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 -apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}
a{color:var(--main)}
:focus-visible{outline:3px solid var(--main);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.5rem}
header{background:var(--card);border-bottom:1px solid var(--line)}
header>div,main{max-width:46rem;margin:0 auto;padding:.75rem 1rem}
header>div{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center}
header strong{margin-right:auto;font-size:1.1rem}
header form{display:flex;gap:.5rem;margin:0}
main{padding-bottom:4rem}
main.narrow{max-width:26rem}
h1{font-size:1.6rem;line-height:1.25;margin:1.5rem 0 1rem}h2{font-size:1.15rem;margin:0 0 .6rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1.1rem;margin:0 0 1rem}
p{margin:0 0 .75rem}section>:last-child{margin-bottom:0}
label{display:block;font-weight:600;margin:.75rem 0 .25rem}
.hint{color:var(--soft);font-size:.92rem}
input+.hint,select+.hint{margin-top:.3rem}
input,select{width:100%;font:inherit;color:inherit;background:var(--paper);border:1px solid var(--edge);border-radius:.4rem;padding:.55rem .65rem;min-height:2.75rem}
button{font:inherit;font-weight:600;color:var(--on);background:var(--main);border:1px solid var(--main);border-radius:.4rem;padding:.5rem 1rem;min-height:2.75rem;margin-top:.9rem;cursor:pointer}
button.quiet{color:var(--main);background:transparent;margin-top:0}header button.quiet{font-size:.92rem;padding:.3rem .7rem}form+p{margin-top:.9rem}
button.danger{background:var(--bad);border-color:var(--bad);color:var(--card)}
.row{display:flex;flex-wrap:wrap;gap:.75rem}.row>*{flex:1 1 12rem}
.note{border-left:.3rem solid var(--main);background:var(--card);padding:.75rem 1rem;border-radius:.3rem;margin:0 0 1rem}
.note.bad{border-color:var(--bad);background:var(--badbg);color:var(--bad)}.note.good{border-color:var(--good);background:var(--goodbg);color:var(--good)}
.scroll{overflow-x:auto;margin-bottom:.75rem}table{border-collapse:collapse;width:100%}section>table{table-layout:fixed;margin-bottom:.75rem}section>table td{overflow-wrap:break-word}section>table th:first-child{width:42%}th,td{vertical-align:top}th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:600;font-size:.92rem}
ul.plain,ol.steps{list-style:none;padding:0;margin:0 0 .75rem}ul.plain li{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;justify-content:space-between;padding:.35rem 0;overflow-wrap:anywhere}
ul.plain form{margin:0}
ol.steps li{display:flex;justify-content:space-between;padding:.45rem 0;border-bottom:1px solid var(--line)}
li[data-state=done] span{color:var(--good)}li[data-state=failed] span{color:var(--bad)}li[data-state=running] span{font-weight:600}
pre{overflow:auto;max-height:32rem;font-size:.82rem;background:var(--paper);padding:.75rem;border-radius:.4rem}
details{margin-top:.75rem}summary{cursor:pointer;color:var(--main);padding:.5rem 0}details>p{margin:.5rem 0}.qr{display:block;background:#fff}
#verdict{margin:.5rem 0 0;min-height:1.55em}#verdict+button{margin-top:.5rem}select+button.quiet{margin-top:.75rem}form>label:first-child,form>input[type=hidden]+label,.row label{margin-top:0}thead th{white-space:nowrap}section>ol:last-child{margin-bottom:0}ol.steps li:last-child{border:0}
meter{width:100%;height:1rem;accent-color:var(--main)}
.free{color:var(--good)}.refused{color:var(--bad)}
`;

/** What the pages do better with JavaScript: a live check of a name, and progress as it happens. */
export const SCRIPT = `
const local=document.querySelector("#local"),domain=document.querySelector("#domain"),verdict=document.querySelector("#verdict");
if(local&&domain&&verdict){let timer,asked=0;const look=()=>{clearTimeout(timer);timer=setTimeout(async()=>{const mine=++asked;verdict.textContent="";verdict.className="hint";if(!local.value)return;
const answer=await fetch("/address?"+new URLSearchParams({local:local.value,domain:domain.value})).then(r=>r.ok?r.json():null,()=>null);
if(answer&&mine===asked){verdict.textContent=answer.text;verdict.className=answer.free?"free":"refused"}},300)};
local.addEventListener("input",look);domain.addEventListener("change",look)}
const steps=document.querySelector("[data-events]");
if(steps){const source=new EventSource(steps.dataset.events);source.onmessage=({data})=>{const view=JSON.parse(data);document.querySelector("#state").textContent=view.text;
for(const step of view.steps){const item=steps.querySelector('[data-step="'+step.name+'"]');if(item){item.dataset.state=step.state;item.querySelector("span").textContent=step.text}}
if(view.over){source.close();location.reload()}}}
`;
